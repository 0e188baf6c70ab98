"""The LMS's own login API. It knows nothing of Convai: the app adds its block to the answers."""
