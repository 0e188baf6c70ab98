"""Which login, which credential, which end: between the LMS and the lifecycle."""
