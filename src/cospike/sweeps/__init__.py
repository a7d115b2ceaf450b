"""Settings searched for, by one or many workers on one storage: `cospike sweep`.

Read in this order: `space` (what is searched), `slots` (which trial is whose, without which nothing below is safe),
`storage` (a file, or PostgreSQL), `trial` (one training, from settings to measures), `worker` (the loop), `results`
(the frontier, tables, the config of a trial), `figure`, `run` (all of it) and `terminal`.

Two objectives are searched at once, as the benchmark has them: −ELBO and the consistency gap, global latents aside;
both of the validation rows. The test rows are never seen (docs/design/0018-sweeps.md).
"""
