#!/usr/bin/env bash
# cli.sh is the main job in the AWS command line. Only the disk's bytes are moved
# by slipway's own client; the AWS command line would need a process per block.
# Called by run, with the environment of `slipway env` and SLIPWAY, AWS, DISK, WORK.
set -euo pipefail
die() { echo "cli: $*" >&2; exit 1; }
aws() { command "$AWS" --cli-read-timeout 60 --cli-connect-timeout 10 --output text "$@"; }

account=$(aws sts get-caller-identity --query Account)
aws iam create-role --role-name mover --query Role.Arn --assume-role-policy-document \
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
aws iam put-role-policy --role-name mover --policy-name p --policy-document \
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:ModifyImageAttribute","ec2:DescribeImages","ec2:CopyImage","ec2:CreateTags"],"Resource":"*"}]}'
role=arn:aws:iam::$account:role/mover
ami=$("$SLIPWAY" ami push "$DISK" --name judge-in)
[ "$(aws ec2 describe-images --owners self --query 'Images[].ImageId')" = "$ami" ] || die "EC2 does not list $ami"

# refused CODE COMMAND… wants exactly that error and the exit status of a
# service that refused.
refused() {
  local code=$1 status=0 said
  shift
  said=$(aws "$@" 2>&1) || status=$?
  case $status:$said in
    25[45]:*"($code)"*) ;;
    *) die "aws $*: $status, $said; wanted $code" ;;
  esac
}
import=(appstream create-imported-image --iam-role-arn "$role" --source-ami-id "$ami")
refused DryRunOperationException "${import[@]}" --name guest --dry-run
refused InvalidParameterValueException "${import[@]}" --name amazon-guest
refused ValidationException "${import[@]}" --name "guest!"
refused ResourceNotFoundException appstream create-imported-image --name guest --iam-role-arn "$role" --source-ami-id ami-0123456789abcdef0
refused InvalidRoleException appstream create-imported-image --name guest --iam-role-arn "$role-none" --source-ami-id "$ami"
refused ResourceNotFoundException appstream describe-images --names guest
refused NotImplementedException appstream describe-usage-report-subscriptions

# wait_for DONE FAILED COMMAND… asks until the command prints one of the two.
wait_for() {
  local done=$1 failed=$2 state=
  shift 2
  for ((i = 0; i < 600; i++)); do
    state=$(aws "$@")
    case $state in
      "$done") return ;;
      "$failed") break ;;
    esac
  done
  die "aws $*: $state"
}
aws "${import[@]}" --name guest --tags team=blue --runtime-validation-config IntendedInstanceType=GeneralPurpose.m7i.large --query Image.State
wait_for AVAILABLE FAILED appstream describe-images --names guest --query 'Images[0].State'
arn=$(aws appstream describe-images --names guest --query 'Images[0].Arn')
[ "$(aws appstream list-tags-for-resource --resource-arn "$arn" --query Tags.team)" = blue ] || die "the tag is lost"

task=$(aws appstream create-export-image-task --image-name guest --ami-name judge-out --iam-role-arn "$role" --tag-specifications Owner=ops --query ExportImageTask.TaskId)
wait_for COMPLETED FAILED appstream get-export-image-task --task-id "$task" --query ExportImageTask.State
out=$(aws appstream get-export-image-task --task-id "$task" --query ExportImageTask.AmiId)
[ "$(aws ec2 describe-images --image-ids "$out" --query 'Images[0].Tags[?Key==`Owner`].Value')" = ops ] || die "the AMI's tag is lost"
"$SLIPWAY" ami pull "$out" "$WORK/out.raw"
cmp "$DISK" "$WORK/out.raw"
aws appstream delete-image --name guest --query Image.State
echo "The AWS command line brought $DISK in as $ami and out as $out, the same to the last byte."
