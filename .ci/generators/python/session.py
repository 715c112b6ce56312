"""Has a session with hashd by the client that openapi-python-client generates from the contract.

Its arguments are the URLs of a server that hashes at once and of one that does not within the
session. An answer that is not the right one ends it with an AssertionError.
"""

import sys

from hashd_client import Client
from hashd_client.api.jobs import cancel_hash, get_hash, submit_batch, submit_hash
from hashd_client.api.operations import get_readiness, get_stats, get_status
from hashd_client.models import Algorithm, BatchRequest, HashRequest, Job, JobStatus, Problem, ServerStatus
from hashd_client.types import UNSET

MONKEY = "/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8="  # SHA-256 of angryMonkey
OTTER = "0MSARGopjzoZIFGypraXlY23mW9paTGzCDsJ9qCTFvY="  # of calmOtter


def request(password):
    return HashRequest(password=password, algorithm=Algorithm.SHA256)


def await_hash(client, id, want):
    job = get_hash.sync(id, client=client, prefer="wait=20")
    assert isinstance(job, Job), job
    assert (job.id, job.status, job.hash_, job.due) == (id, JobStatus.DONE, want, UNSET), job


def one(client):
    answer = submit_hash.sync_detailed(client=client, body=request("angryMonkey"), idempotency_key="key of python")
    job = answer.parsed
    assert answer.status_code == 202 and isinstance(job, Job), answer
    assert (job.status, job.algorithm, job.hash_) == (JobStatus.PENDING, Algorithm.SHA256, UNSET) and job.due, job
    assert answer.headers["Location"] and answer.headers["X-Request-Id"], answer
    reused = submit_hash.sync(client=client, body=request("calmOtter"), idempotency_key="key of python")
    assert isinstance(reused, Problem) and reused.status == 422, reused
    await_hash(client, job.id, MONKEY)


def batch(client):
    body = BatchRequest(passwords=["angryMonkey", "calmOtter"], algorithm=Algorithm.SHA256)
    accepted = submit_batch.sync(client=client, body=body)
    assert (accepted.count, accepted.algorithm) == (2, Algorithm.SHA256), accepted
    await_hash(client, accepted.first, MONKEY)
    await_hash(client, accepted.first + 1, OTTER)


def pending_and_canceled(client):
    submitted = submit_hash.sync(client=client, body=request("angryMonkey"))
    answer = get_hash.sync_detailed(submitted.id, client=client)
    assert answer.status_code == 202 and answer.parsed == submitted, answer
    assert cancel_hash.sync_detailed(submitted.id, client=client).status_code == 204
    gone = get_hash.sync(submitted.id, client=client)
    assert isinstance(gone, Problem) and (gone.type_, gone.status) == ("urn:hashd:problem:job-gone", 410), gone


def problems(client, url):
    field = submit_hash.sync(client=client, body=HashRequest(password=""))
    assert [(e.pointer, e.parameter) for e in field.errors] == [("#/password", UNSET)], field
    parameter = cancel_hash.sync(0, client=client)
    assert [(e.pointer, e.parameter, e.in_) for e in parameter.errors] == [(UNSET, "id", "path")], parameter
    unknown = cancel_hash.sync(1 << 60, client=client)
    assert unknown.type_ == "urn:hashd:problem:unknown-job", unknown
    lost = get_stats.sync(client=Client(base_url=url + "/elsewhere"))  # not one that the operation lists
    assert isinstance(lost, Problem) and lost.type_ == "urn:hashd:problem:unknown-path", lost


def status(client):
    assert get_status.sync(client=client).status == ServerStatus.OK
    assert get_readiness.sync_detailed(client=client).status_code == 200
    assert get_stats.sync(client=client).total == 3


def main(fast_url, slow_url):
    fast, slow = Client(base_url=fast_url), Client(base_url=slow_url)
    one(fast)
    batch(fast)
    pending_and_canceled(slow)
    problems(fast, fast_url)
    status(fast)
    print("well")


main(*sys.argv[1:])
