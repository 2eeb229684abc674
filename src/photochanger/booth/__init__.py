"""Tools for whoever runs booths: they need the address of a running server, and none of the server's own libraries."""
