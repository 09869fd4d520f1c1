"""Two accounts, several Regions, tags, networks and quotas in boto3, after
boto.py on the same server. accounts.py: SLIPWAY names the program, for the
second account and for quotas. Exits with a message at the first thing that is
wrong."""
import json
import os
import subprocess
import sys
import time

import boto3
import botocore.exceptions

slipway = os.environ["SLIPWAY"]


def check(ok, *what):
    if not ok:
        sys.exit("accounts: " + " ".join(str(w) for w in what))


def refused(code, call, **kwargs):
    try:
        call(**kwargs)
    except botocore.exceptions.ClientError as e:
        return check(e.response["Error"]["Code"] == code and e.response["Error"]["Message"], "got", e, "wanted", code)
    check(False, "not refused with", code, kwargs)


def run(*args):
    return subprocess.run([slipway, *args], check=True, capture_output=True, text=True).stdout


key = json.loads(run("account", "create", "--json"))["key"]
mine, theirs = boto3.session.Session(), boto3.session.Session(key["id"], key["secret"])
app, ec2, tagging = (mine.client(s) for s in ("appstream", "ec2", "resourcegroupstaggingapi"))
app2, ec2b = theirs.client("appstream"), theirs.client("ec2")
me, you = (s.client("sts").get_caller_identity()["Account"] for s in (mine, theirs))
check(you == key["account"] != me, me, you)

# An image is shared, seen, used by nobody else, and taken back.
arn = app.describe_images(Names=["main"])["Images"][0]["Arn"]
refused("ResourceNotFoundException", app2.describe_images, Arns=[arn])
allow = dict(Name="main", SharedAccountId=you, ImagePermissions={"allowFleet": True, "allowImageBuilder": False})
refused("InvalidParameterValueException", app.update_image_permissions, **{**allow, "SharedAccountId": me})
refused("ResourceNotAvailableException", app.update_image_permissions, **{**allow, "Name": "panics"})
refused("ResourceNotFoundException", app.update_image_permissions, **{**allow, "Name": "x"})
app.update_image_permissions(**allow)
check(app.describe_image_permissions(Name="main")["SharedImagePermissionsList"] == [{"sharedAccountId": you, "imagePermissions": allow["ImagePermissions"]}], "permissions")
seen = app2.describe_images(Arns=[arn])["Images"][0]
check(seen["Visibility"] == "SHARED" and seen["ImagePermissions"] == allow["ImagePermissions"] and seen["Arn"] == arn, seen)
check(app.describe_images(Names=["main"])["Images"][0]["ImageSharedWithOthers"] == "TRUE", "the owner's view")
check([i["Name"] for i in app2.describe_images(Type="SHARED")["Images"]] == ["main"], "shared images")
refused("ResourceNotFoundException", app2.describe_images, Names=["main"])
refused("ResourceNotFoundException", app2.delete_image, Name="main")
refused("ResourceInUseException", app.delete_image, Name="main")
app.update_image_permissions(**{**allow, "ImagePermissions": {"allowFleet": False, "allowImageBuilder": False}})
check(app2.describe_images()["Images"] == [], "an image that was taken back")
refused("ResourceNotFoundException", app.delete_image_permissions, Name="main", SharedAccountId=you)

# A copy in another Region.
app.tag_resource(ResourceArn=arn, Tags={"env": "judge"})
copy = dict(SourceImageName="main", DestinationImageName="copied", DestinationRegion="eu-central-1")
check(set(app.copy_image(**copy)) - {"ResponseMetadata"} == {"DestinationImageName"}, "the answer to CopyImage")
refused("ResourceAlreadyExistsException", app.copy_image, **copy)
refused("ResourceNotAvailableException", app.copy_image, **{**copy, "SourceImageName": "panics", "DestinationImageName": "y"})
refused("ResourceNotFoundException", app.copy_image, **{**copy, "SourceImageName": "x", "DestinationImageName": "y"})
there = mine.client("appstream", region_name="eu-central-1")
end = time.monotonic() + 60
while (img := there.describe_images(Names=["copied"])["Images"][0])["State"] == "COPYING":
    check(time.monotonic() < end, img)
    time.sleep(0.05)
check(img["State"] == "AVAILABLE" and ":eu-central-1:" in img["Arn"], img)
check(there.list_tags_for_resource(ResourceArn=img["Arn"]).get("Tags", {}) == {}, "tags were copied")

# A machine image is launched by others and copied by them, once its storage is shared too.
ami = next(i for i in ec2.describe_images(Owners=["self"])["Images"] if i["Name"] == "boto-in")
id, snap = ami["ImageId"], ami["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
refused("InvalidAMIID.NotFound", ec2b.describe_images, ImageIds=[id])
ec2.modify_image_attribute(ImageId=id, LaunchPermission={"Add": [{"UserId": you}]})
check(ec2.describe_image_attribute(ImageId=id, Attribute="launchPermission")["LaunchPermissions"] == [{"UserId": you}], "launch permissions")
check([i["ImageId"] for i in ec2b.describe_images(ExecutableUsers=["self"])["Images"]] == [id], "what others may launch")
want = dict(Name="copied", SourceImageId=id, SourceRegion=mine.region_name)
refused("InvalidRequest", ec2b.copy_image, **want)
ec2.modify_snapshot_attribute(SnapshotId=snap, Attribute="createVolumePermission", OperationType="add", UserIds=[you])
made = ec2b.copy_image(ClientToken="once", **want)["ImageId"]
check(ec2b.copy_image(ClientToken="once", **want)["ImageId"] == made, "the same client token")
refused("InvalidAMIName.Duplicate", ec2b.copy_image, **want)
refused("AuthFailure", ec2b.deregister_image, ImageId=id)
refused("InvalidSnapshot.InUse", ec2.delete_snapshot, SnapshotId=snap)
results = ec2b.deregister_image(ImageId=made, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
check([r["ReturnCode"] for r in results] == ["success"], results)
ec2.reset_image_attribute(ImageId=id, Attribute="launchPermission")
check(ec2b.describe_images()["Images"] == [], "after the reset")

# Tags, from both sides.
ec2.create_tags(Resources=[id, snap], Tags=[{"Key": "env", "Value": "judge"}])
refused("InvalidID", ec2.create_tags, Resources=["i-1"], Tags=[{"Key": "a", "Value": "b"}])
check({t["ResourceId"] for t in ec2.describe_tags(Filters=[{"Name": "key", "Values": ["env"]}])["Tags"]} == {id, snap}, "DescribeTags")
tagged = {r["ResourceARN"] for p in tagging.get_paginator("get_resources").paginate(TagFilters=[{"Key": "env", "Values": ["judge"]}], PaginationConfig={"PageSize": 1}) for r in p["ResourceTagMappingList"]}
check(len(tagged) == 3 and arn in tagged, tagged)
failed = tagging.tag_resources(ResourceARNList=[arn, arn + "x"], Tags={"k": "v"})["FailedResourcesMap"]
check(list(failed) == [arn + "x"], failed)
check("k" in tagging.get_tag_keys()["TagKeys"] and tagging.get_tag_values(Key="k")["TagValues"] == ["v"], "keys and values")
tagging.untag_resources(ResourceARNList=[arn], TagKeys=["k"])
ec2.delete_tags(Resources=[id, snap])
check(ec2.describe_tags()["Tags"] == [] or all(t["ResourceId"] not in (id, snap) for t in ec2.describe_tags()["Tags"]), "tags that were deleted")

# Networks to name.
vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]]
check(sorted(s["AvailabilityZone"] for s in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]) == zones and len(zones) == 3, "default subnets")
own = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
ec2.get_waiter("vpc_available").wait(VpcIds=[own])
subnet = ec2.create_subnet(VpcId=own, CidrBlock="10.0.1.0/24", AvailabilityZone=zones[1])["Subnet"]["SubnetId"]
refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=own, CidrBlock="10.0.1.0/25")
refused("DependencyViolation", ec2.delete_vpc, VpcId=own)
group = ec2.create_security_group(GroupName="web", Description="d", VpcId=own)["GroupId"]
refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="web", Description="d", VpcId=own)
ec2.delete_security_group(GroupId=group)
ec2.delete_subnet(SubnetId=subnet)
ec2.delete_vpc(VpcId=own)
refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[own])
check(mine.region_name in [r["RegionName"] for r in ec2.describe_regions()["Regions"]], "Regions")

# A quota is lowered and given back.
run("quota", "set", "vpc/vpcs", "1")
refused("VpcLimitExceeded", ec2.create_vpc, CidrBlock="10.0.0.0/16")
run("quota", "set", "vpc/vpcs", "default")
print("boto3 shared between the accounts", me, "and", you, "as AWS does.")
