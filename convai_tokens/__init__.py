"""A short-lived Convai token in every login response, audited, and revoked at logout."""

__version__ = "0.1.0"
