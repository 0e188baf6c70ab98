"""The demo: a story over real HTTP that anyone can watch, and that checks what it tells."""
