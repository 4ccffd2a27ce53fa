"""A migration from 0 to 4 on the embedded AWS, with sockets on both paths: what every user sees at every step."""
