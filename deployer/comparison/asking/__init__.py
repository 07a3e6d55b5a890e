"""Put questions to a nginx, gently and over few connections, and follow where the answers lead."""
