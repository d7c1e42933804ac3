"""Prints differences between an emulator's resources and what the programs expect, as JSON: `ENDPOINT OUTPUTS`."""

import json
import sys

import boto3

endpoint, outputs = sys.argv[1], json.loads(sys.argv[2])


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def expect(what, seen, wanted):
    if seen != wanted:
        print(f"{what}: {seen!r}, not {wanted!r}")


s3, sqs, dynamodb, iam = client("s3"), client("sqs"), client("dynamodb"), client("iam")
bucket = outputs["bucket"]
blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
expect("public access is blocked", set(blocked.values()), {True})
statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
tls = [s for s in statements if s.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"]
expect("without TLS", [(s["Effect"], s["Action"]) for s in tls], [("Deny", "s3:*")])
rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
expect("encryption", rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms")
rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
expect("abort of uploads", rules["abort-multipart"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"], 1)
expect("results", (rules["expire-results"]["Filter"]["Prefix"], rules["expire-results"]["Expiration"]["Days"]), ("results/", 14))
cors = s3.get_bucket_cors(Bucket=bucket)["CORSRules"][0]
expect("CORS", (sorted(cors["AllowedMethods"]), cors["ExposeHeaders"]), (["GET", "PUT"], ["ETag"]))

jobs = sqs.get_queue_attributes(QueueUrl=outputs["jobs_url"], AttributeNames=["All"])["Attributes"]
short = sqs.get_queue_attributes(QueueUrl=outputs["short_url"], AttributeNames=["All"])["Attributes"]
dead = sqs.get_queue_attributes(QueueUrl=outputs["dead_url"], AttributeNames=["All"])["Attributes"]
for queue in (jobs, short):
    redrive = json.loads(queue["RedrivePolicy"])
    expect("redrive", (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])), (dead["QueueArn"], 5))
expect("visibility", [queue["VisibilityTimeout"] for queue in (jobs, short, dead)], ["60"] * 3)

for store, table in outputs["tables"].items():
    described = dynamodb.describe_table(TableName=table)["Table"]
    expect(f"key of {store}", described["KeySchema"], [{"AttributeName": "PK", "KeyType": "HASH"}])
    expect(f"protection of {store}", described["DeletionProtectionEnabled"], True)
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    expect(f"recovery of {store}", recovery, "ENABLED")

policy = iam.get_role_policy(RoleName="framelift-check-edge", PolicyName="edge")["PolicyDocument"]
records = next(statement["Resource"] for statement in policy["Statement"] if statement["Sid"] == "Records")
expect("the edge's tables", {arn.rsplit("/", 1)[1] for arn in records}, set(outputs["tables"].values()))

roles = {role["RoleName"].removeprefix("framelift-check-") for role in iam.list_roles(PathPrefix="/framelift/")["Roles"]}
expect("roles", roles, {"edge", "worker", "collector", "keda", "external-secrets", "ci"})
for user in iam.list_users(PathPrefix="/framelift/")["Users"]:
    expect(f"keys of {user['UserName']} in Terraform's state", iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"], [])
