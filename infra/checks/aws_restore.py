"""Restores tables of an emulator into new ones, as docs/operations.md says: `ENDPOINT SUFFIX NAME…`.

moto passes over the key that the new tables are to have, so that nobody looks at it.
"""

import sys

import boto3

endpoint, suffix, *names = sys.argv[1:]
dynamodb = boto3.client(
    "dynamodb", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
)
for name in names:
    key = dynamodb.describe_table(TableName=name)["Table"]["SSEDescription"]["KMSMasterKeyArn"]
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=name,
        TargetTableName=name + suffix,
        UseLatestRestorableTime=True,
        SSESpecificationOverride={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
