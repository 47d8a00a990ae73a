"""What a sign-up flow does, with the generated client: creates a tenant, moves it, and looks that it arrived.

Run by testkit/generated-client, in the folder in which the client was generated.
"""

import json
import pathlib
import re
import sys
import time
import urllib.request

sys.path.insert(0, ".")

from realmctl_client import AuthenticatedClient
from realmctl_client.api.explain import explain
from realmctl_client.api.moves import get_move, list_moves
from realmctl_client.api.removals import list_removals
from realmctl_client.api.status import get_status
from realmctl_client.api.tenants import create_tenant, get_tenant, start_move
from realmctl_client.models import (
    DryRun,
    ExplainedTenant,
    MoveView,
    NewMove,
    NewTenant,
    Problem,
    TenantView,
)

# Answers and bodies of these media types are no JSON, and the generator leaves them to its caller.
NOT_GENERATED = {"application/x-ndjson", "application/yaml"}
# Longer than a move takes on a busy machine.
PATIENCE_S = 120


def expect(condition, what):
    if not condition:
        sys.exit(f"generated-client: {what}")


def check_the_generator(url, log):
    """Every operation has a function, and what was warned of is a form that the generator does not know."""
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        document = json.load(answer)
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    files = {file.stem for file in pathlib.Path("realmctl_client/api").glob("*/*.py")}
    missing = [name for name in names if name not in files]
    expect(not missing, f"no function was generated for {missing}")
    told = pathlib.Path(log).read_text()
    expect("Unable to parse" not in told, f"the generator could not read a type: {told}")
    for warning in re.split(r"^WARNING ", told, flags=re.M)[1:]:
        expect(any(kind in warning for kind in NOT_GENERATED), f"the generator warned: {warning}")
    print(f"{len(names)} operations, each with a function")


def main(url, log):
    check_the_generator(url, log)
    client = AuthenticatedClient(base_url=url, token="sesame", headers={"X-Realmctl-User": "generated"})
    new = NewTenant(id="globex", host="globex.example", realm="us", reason="a generated client")
    created = create_tenant.sync_detailed(client=client, body=new, idempotency_key="sign-up-1")
    expect(created.status_code == 201 and isinstance(created.parsed, TenantView), f"not created: {created}")
    again = create_tenant.sync_detailed(client=client, body=new, idempotency_key="sign-up-1")
    expect(again.headers.get("idempotency-replayed") == "true" and again.parsed == created.parsed, f"another answer: {again}")

    refused = start_move.sync(client=client, id="globex", body=NewMove(to="mars"))
    expect(isinstance(refused, Problem) and refused.code == "unknown_realm", f"not refused: {refused}")
    plan = start_move.sync(client=client, id="globex", body=NewMove(to="eu", dry_run=True))
    expect(isinstance(plan, DryRun) and plan.to == "eu" and plan.plan, f"no plan: {plan}")
    move = start_move.sync(client=client, id="globex", body=NewMove(to="eu", reason="contract 4711"))
    expect(isinstance(move, MoveView), f"not started: {move}")

    # Whoever may look at it may follow its events instead; those are a stream.
    until = time.monotonic() + PATIENCE_S
    while move.state not in ("completed", "rolled_back", "failed"):
        expect(time.monotonic() < until, f"the move takes too long: {move}")
        time.sleep(0.2)
        move = get_move.sync(client=client, id=move.id)
        expect(isinstance(move, MoveView), f"not found: {move}")
    expect(move.state == "completed", f"the move is {move.state}: {move.error}")

    tenant = get_tenant.sync(client=client, id="globex")
    expect((tenant.realm, tenant.status) == ("eu", "online") and tenant.placements, f"it is elsewhere: {tenant}")
    about = explain.sync(client=client, id="globex")
    expect(isinstance(about, ExplainedTenant) and about.realm == "eu", f"not explained: {about}")
    moves = list_moves.sync(client=client, tenant="globex")
    expect([one.id for one in moves.items] == [move.id], f"another list: {moves}")
    expect(list_removals.sync(client=client, tenant="globex") is not None, "no list of removals")
    expect(get_status.sync(client=client).version, "no version")
    stranger = AuthenticatedClient(base_url=url, token="wrong")
    expect(get_tenant.sync(client=stranger, id="globex").code == "unauthorized", "let in with a wrong token")
    print(f"globex was moved to {tenant.realm} by {move.id}, offline for {move.offline_ms} ms")


main(*sys.argv[1:])
