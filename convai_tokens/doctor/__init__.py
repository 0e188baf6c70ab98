"""``manage.py convai_doctor``: the examination of an installation, step by step."""
