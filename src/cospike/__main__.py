"""`python -m cospike`."""

from cospike.entry import main

main()
