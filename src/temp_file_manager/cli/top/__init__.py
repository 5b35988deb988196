"""The picture that the command ``top`` shows, and its parts."""
