"""Engine.IO 4 and Socket.IO 5, by the letter, over a real server."""
