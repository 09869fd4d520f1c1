"""boto3 for conform.mjs. Reads requests, a line of JSON each, from its input and
writes an answer for each; `conform.py names` prints how the AWS command line
calls every operation."""
import json
import sys

import botocore
import botocore.config
import botocore.exceptions
import botocore.session

NAMES = {"tagging": "resourcegroupstaggingapi"}
SERVICES = ("appstream", "ebs", "ec2", "iam", "sts", "tagging", "workspaces")
# What is wrong with a request is for the server to find.
config = botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False)
session = botocore.session.get_session()
clients = {}


def operations(service):
    return session.get_service_model(NAMES.get(service, service)).operation_names


def zeros(value):
    if isinstance(value, dict):
        return bytes(value["$zeros"]) if "$zeros" in value else {k: zeros(v) for k, v in value.items()}
    return [zeros(v) for v in value] if isinstance(value, list) else value


def client(service, to):
    who = to["credentials"]
    key = service, who["accessKeyId"]
    if key not in clients:
        clients[key] = session.create_client(
            NAMES.get(service, service), region_name=to["region"], endpoint_url=to["endpoint"], config=config,
            aws_access_key_id=who["accessKeyId"], aws_secret_access_key=who["secretAccessKey"])
    return clients[key]


def answer(request):
    if "known" in request:
        return {s: operations(s) for s in SERVICES}
    c = client(request["service"], request["config"])
    try:
        out = getattr(c, botocore.xform_name(request["operation"]))(**zeros(request["input"]))
    except botocore.exceptions.ClientError as e:
        shape = type(e).__name__
        return {"error": {"message": e.response["Error"].get("Message", ""), "code": e.response["Error"]["Code"],
                          "status": e.response["ResponseMetadata"]["HTTPStatusCode"], "shape": None if shape == "ClientError" else shape}}
    except Exception as e:
        return {"error": {"message": f"{type(e).__name__}: {e}"}}
    if "BlockData" in out:
        out["BlockData"] = len(out["BlockData"].read())
    return {"answer": out}


if sys.argv[1:] == ["names"]:
    print(json.dumps({s: {o: botocore.xform_name(o, "-") for o in operations(s)} for s in SERVICES}))
else:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line)), default=str), flush=True)
