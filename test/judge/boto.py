"""The main job and every refusal in boto3, against the server that the AWS
environment names. boto.py DISK.raw: a disk that may be imported under AWS's
rules. Exits with a message at the first thing that is wrong."""
import base64
import concurrent.futures
import datetime
import hashlib
import json
import sys
import time

import boto3
import botocore.config
import botocore.exceptions

BLOCK = 512 << 10
config = botocore.config.Config(retries={"total_max_attempts": 1}, max_pool_connections=16)
app, ec2, ebs, iam, sts = (boto3.client(s, config=config) for s in ("appstream", "ec2", "ebs", "iam", "sts"))


def check(ok, *what):
    if not ok:
        sys.exit("boto3: " + " ".join(str(w) for w in what))


def until(what, state, wanted, limit=120):
    """Asks until the state is one of the wanted."""
    end = time.monotonic() + limit
    while (now := state()) not in wanted:
        check(time.monotonic() < end, what, "is", now, "after", limit, "s")
        time.sleep(0.05)
    return now


def recent(at):
    check(isinstance(at, datetime.datetime), at, "is no time")
    check(abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) < 600, at, "is not about now")


def refused(code, call, **kwargs):
    try:
        call(**kwargs)
    except botocore.exceptions.ClientError as e:
        check(e.response["Error"]["Code"] == code, "got", e, "wanted", code)
        check(e.response["Error"]["Message"], code, "has no message")
        check(400 <= e.response["ResponseMetadata"]["HTTPStatusCode"] < 500 or code == "NotImplementedException", e.response)
        return
    check(False, "not refused with", code, kwargs)


def push(path):
    with open(path, "rb") as f:
        blocks = {}
        size = f.seek(0, 2)
        f.seek(0)
        for i in range(size // BLOCK):
            data = f.read(BLOCK)
            if data.count(0) != BLOCK:
                blocks[i] = data
    snap = ebs.start_snapshot(VolumeSize=size >> 30, Description="pushed by boto3")["SnapshotId"]

    def put(item):
        sum = base64.b64encode(hashlib.sha256(item[1]).digest()).decode()
        return ebs.put_snapshot_block(SnapshotId=snap, BlockIndex=item[0], BlockData=item[1], DataLength=BLOCK, Checksum=sum, ChecksumAlgorithm="SHA256")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, blocks.items()))
    wrong = base64.b64encode(bytes(32)).decode()
    refused("ValidationException", ebs.put_snapshot_block, SnapshotId=snap, BlockIndex=0, BlockData=bytes(BLOCK), DataLength=BLOCK, Checksum=wrong, ChecksumAlgorithm="SHA256")
    refused("ValidationException", ebs.complete_snapshot, SnapshotId=snap, ChangedBlocksCount=len(blocks) + 1)
    ebs.complete_snapshot(SnapshotId=snap, ChangedBlocksCount=len(blocks))
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snap], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return snap, blocks


def pulled(snap, blocks):
    token, got = {}, {}
    while True:
        page = ebs.list_snapshot_blocks(SnapshotId=snap, MaxResults=100, **token)
        for b in page["Blocks"]:
            out = ebs.get_snapshot_block(SnapshotId=snap, BlockIndex=b["BlockIndex"], BlockToken=b["BlockToken"])
            got[b["BlockIndex"]] = out["BlockData"].read()
            check(base64.b64encode(hashlib.sha256(got[b["BlockIndex"]]).digest()).decode() == out["Checksum"], "checksum of block", b)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    check(got == blocks, "the exported disk is not the pushed one")


def register(name, snap, **change):
    image = dict(Name=name, Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/sda1", BootMode="uefi", TpmSupport="v2.0",
                 EnaSupport=True, BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snap, "VolumeType": "gp3", **change.pop("ebs", {})}}])
    image["BlockDeviceMappings"] += change.pop("more", [])
    image.update(change)
    return ec2.register_image(**{k: v for k, v in image.items() if v is not None})["ImageId"]


def role(name, service, *actions):
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(allow))
    check(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == trust, "the trust policy came back changed")
    return arn


def image(name):
    return app.describe_images(Names=[name])["Images"][0]


snap, blocks = push(sys.argv[1])
ami = register("boto-in", snap)
imports, exports = ("ec2:ModifyImageAttribute", "ec2:DescribeImages"), ("ec2:CopyImage", "ec2:DescribeImages", "ec2:CreateTags")
mover = role("mover", "appstream.amazonaws.com", *imports, *exports)
good = dict(SourceAmiId=ami, IamRoleArn=mover)
validate = {"IntendedInstanceType": "GeneralPurpose.m7i.large"}

# The main job.
made = app.create_imported_image(Name="main", DisplayName="Main job", Tags={"team": "blue"}, RuntimeValidationConfig=validate,
                                 AppCatalogConfig=[{"Name": "Notepad", "AbsoluteAppPath": "C:\\Windows\\notepad.exe"}], **good)["Image"]
check(made["State"] == "PENDING", made)
state = until("the image", lambda: image("main")["State"], ("AVAILABLE", "FAILED"))
img = image("main")
check(state == "AVAILABLE", img)
recent(img["CreatedTime"])
check(img["CreatedTime"] == made["CreatedTime"] and img["Platform"] == "WINDOWS_SERVER_2022" and img["Applications"][0]["Name"] == "Notepad", img)
task = app.create_export_image_task(ImageName="main", AmiName="boto-out", IamRoleArn=mover, TagSpecifications={"Owner": "ops"})["ExportImageTask"]
get = lambda: app.get_export_image_task(TaskId=task["TaskId"])["ExportImageTask"]
state = until("the export", lambda: get()["State"], ("COMPLETED", "FAILED", "TIMED_OUT"))
check(state == "COMPLETED", get())
out = ec2.describe_images(ImageIds=[get()["AmiId"]])["Images"][0]
check(out["Tags"] == [{"Key": "Owner", "Value": "ops"}] and out["Platform"] == "windows" and out["Public"] is False, out)
pulled(out["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"], blocks)

# Every refusal.
create = app.create_imported_image
wrong = {
    "bios": register("bios", snap, BootMode="legacy-bios", TpmSupport=None),
    "two": register("two", snap, more=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 5}}]),
    "encrypted": register("encrypted", snap, ebs={"Encrypted": True}),
    "large": register("large", snap, ebs={"VolumeSize": 501}),
}
for bad in wrong.values():
    refused("IncompatibleImageException", create, Name="x", SourceAmiId=bad, IamRoleArn=mover)
account = sts.get_caller_identity()["Account"]
refused("ResourceNotFoundException", create, Name="x", SourceAmiId="ami-0123456789abcdef0", IamRoleArn=mover)
refused("InvalidRoleException", create, Name="x", SourceAmiId=ami, IamRoleArn=f"arn:aws:iam::{account}:role/none")
refused("InvalidRoleException", create, Name="x", SourceAmiId=ami, IamRoleArn=role("untrusting", "ec2.amazonaws.com", *imports))
refused("InvalidRoleException", create, Name="x", SourceAmiId=ami, IamRoleArn=role("powerless", "appstream.amazonaws.com", *exports))
refused("ResourceAlreadyExistsException", create, Name="main", **good)
refused("InvalidParameterValueException", create, Name="aws-x", **good)
unchecked = boto3.client("appstream", config=config.merge(botocore.config.Config(parameter_validation=False)))
refused("InvalidParameterCombinationException", unchecked.create_imported_image, Name="x", IamRoleArn=mover)
if "WorkspaceImageId" in app.meta.service_model.operation_model("CreateImportedImage").input_shape.members:  # newer models have it
    refused("InvalidParameterCombinationException", create, Name="x", WorkspaceImageId="wsi-abcdefghi", **good)
refused("ValidationException", unchecked.create_imported_image, **good)
refused("DryRunOperationException", create, Name="x", DryRun=True, **good)
refused("ValidationException", create, Name="-x", **good)
refused("ResourceNotFoundException", app.describe_images, Names=["x"])
refused("ResourceNotFoundException", app.delete_image, Name="x")
refused("OperationNotPermittedException", app.create_export_image_task, ImageName="main", AmiName="boto-out", IamRoleArn=mover)
refused("InvalidParameterValueException", app.list_export_image_tasks, Filters=[{"Name": "Colour", "Values": ["red"]}])
refused("NotImplementedException", app.describe_usage_report_subscriptions)

# A guest that crashes; deletion while it is on its way.
create(Name="panics", Tags={"slipway:fault": "panic"}, RuntimeValidationConfig=validate, **good)
refused("OperationNotPermittedException", app.delete_image, Name="panics")
state = until("the image", lambda: image("panics")["State"], ("AVAILABLE", "FAILED"))
img = image("panics")
check(state == "FAILED" and img["StateChangeReason"]["Code"] == "IMAGE_IMPORT_FAILURE" and img["ImageErrors"][0]["ErrorCode"] == "VALIDATION_ERROR", img)
recent(img["ImageErrors"][0]["ErrorTimestamp"])

# The quota, and pages.
for i in range(8):
    create(Name=f"n{i}", **good)
refused("LimitExceededException", create, Name="x", **good)
names = [i["Name"] for p in app.get_paginator("describe_images").paginate(PaginationConfig={"PageSize": 3}) for i in p["Images"]] \
    if app.can_paginate("describe_images") else [i["Name"] for i in app.describe_images()["Images"]]
check(sorted(names) == sorted(["main", "panics"] + [f"n{i}" for i in range(8)]), names)
print("boto3 brought", sys.argv[1], "in and out, and was refused as AWS refuses.")
