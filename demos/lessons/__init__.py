"""One server written nine times, from blocking to async/await: each step breaks for a reason that one can see."""
