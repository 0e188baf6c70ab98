"""What the app answers to a learner's client, beside the token endpoint in ``views.py``."""
