"""All that changes state: the life of a learner session and of its tokens."""
