"""Every drill played: the model answer wins, nothing and the tempting mistake do not."""
