"""What the paper shows, made and measured, claim by claim: `cospike reproduce`.

Read in this order: `studies` (which runs), `run` (one run, from a configuration to a record), `record` (what is kept of
it) and `grid` (all of them, resumable). What a record finds, a module a section: `activation`, `global_factors`,
`own_factors`, `categories`, `control`, `honesty` and `published`; costs are the benchmark's measures. `panels` and
`figures` draw. From records to a page: `gathered` (with the benchmark's rows), `claims` (the verdicts and their rules),
`tables`, `page` and `terminal`.
"""
