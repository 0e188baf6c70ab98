"""A site of schools that share a database, with django-tenants: a schema for each."""


def nobody(token_ids: list[int]) -> None:
    """Dispatch to nobody: the sweep is to revoke."""
