"""`python -m cospike`."""

from cospike.cli import main

main()
