"""deployer: safe config deploy and rollback for nginx fleets."""

__version__ = "0.1.0"
