"""A local stand-in for Convai's token API: a real HTTP server in its own process.

Standard library only (and ``cryptography``, when HTTPS is asked for); it imports nothing of
``convai_tokens`` and no Django, so that it can't share a bug with what it is to test.
"""
