"""Models × data sets × seeds, trained alike and set side by side: `cospike benchmark`.

Read in this order: `recipes` (the models), `run` (one run, from a configuration to a row), `files` (rows and grids on
disk), `parallel` (runs in several processes), `grid` (all of them, resumable), `aggregate` (intervals and paired
comparisons), `frontier` (figures), `page` (tables and the page) and `terminal` (a first look).
"""
