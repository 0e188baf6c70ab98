"""A small, real LMS site that uses ``convai_tokens`` the way a customer would."""
