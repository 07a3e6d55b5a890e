"""How many configurations that pass ``nginx -t`` and break users are refused before a user meets them."""
