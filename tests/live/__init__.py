"""What docs/embedded-aws.md says about AWS, asked of an AWS account: `python -m tests.live run`. Never run by pytest alone.

`questions` has a question for each difference that can be asked, `registry` says for every row of that page where it is asked
or why not, `guard` lets no request touch what the run did not create, `recording` writes the answers without ids, `sweep`
deletes what is left. The conformance tests of `tests/local` are asked too: their fixture `embedded_aws` is the account then.
"""
