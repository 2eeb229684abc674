"""PhotoChanger: a photo in by one HTTP POST, the transformed photo out in the same answer."""
