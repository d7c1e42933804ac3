# Each principal may do what its program calls, and no more.

mock_provider "aws" {}

variables {
  name        = "framelift-test"
  region      = "us-east-1"
  key_arn     = "arn:aws:kms:us-east-1:123456789012:key/1"
  bucket_arn  = "arn:aws:s3:::b"
  jobs_arn    = "arn:aws:sqs:us-east-1:123456789012:jobs"
  short_arn   = "arn:aws:sqs:us-east-1:123456789012:short"
  dead_arn    = "arn:aws:sqs:us-east-1:123456789012:dead"
  table_arns  = { accounts = "arn:aws:dynamodb:us-east-1:123456789012:table/a", videos = "arn:aws:dynamodb:us-east-1:123456789012:table/v" }
  secret_arns = { edge = "arn:aws:secretsmanager:us-east-1:123456789012:secret:e", worker = "arn:aws:secretsmanager:us-east-1:123456789012:secret:w" }
}

run "identity" {
  command = plan
  module {
    source = "../modules/identity"
  }
  assert {
    condition = alltrue(flatten([
      for principal, policy in output.policies : [
        for statement in jsondecode(policy).Statement : [
          for action in flatten([statement.Action]) : !strcontains(action, "*")
        ]
      ]
    ]))
    error_message = "an action has a wildcard"
  }
  assert {
    condition = toset(flatten([
      for principal, policy in output.policies : [
        for statement in jsondecode(policy).Statement : [
          for resource in flatten([statement.Resource]) : "${principal} ${join(",", flatten([statement.Action]))}" if resource == "*"
        ]
      ]
    ])) == toset(["collector xray:PutTraceSegments,xray:PutTelemetryRecords"])
    error_message = "something may be done to every resource"
  }
  assert {
    condition = alltrue(flatten([
      for principal, policy in output.policies : [
        for statement in jsondecode(policy).Statement :
        !anytrue([for action in flatten([statement.Action]) : startswith(action, "kms:")]) || can(statement.Condition.StringEquals["kms:ViaService"])
      ]
    ]))
    error_message = "the key can be used by itself"
  }
  # What a worker that was taken over can and cannot do; docs/security.md says the same.
  assert {
    condition = toset(flatten([
      for statement in jsondecode(output.policies["worker"]).Statement : [for action in flatten([statement.Action]) : action]
      ])) == toset([
      "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket",
      "s3:ListBucketMultipartUploads", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
      "sqs:GetQueueAttributes", "sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey",
    ])
    error_message = "the worker may do other things"
  }
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(output.policies["worker"]).Statement : [
        for action in flatten([statement.Action]) : [
          for resource in flatten([statement.Resource]) : startswith(resource, "arn:aws:s3:::b/results/")
        ] if contains(["s3:PutObject", "s3:DeleteObject"], action)
      ]
    ]))
    error_message = "the worker may change uploads"
  }
  assert {
    condition = alltrue(flatten([
      for principal in ["worker", "keda", "external-secrets", "collector"] : [
        for statement in jsondecode(output.policies[principal]).Statement : [
          for action in flatten([statement.Action]) : !startswith(action, "dynamodb:")
        ]
      ]
    ]))
    error_message = "others than the edge reach its records"
  }
  assert {
    condition = toset(flatten([
      for statement in jsondecode(output.policies["edge"]).Statement : flatten([statement.Resource]) if statement.Sid == "Records"
    ])) == toset(values(var.table_arns))
    error_message = "the edge reaches other tables"
  }
  assert {
    condition     = !strcontains(output.policies["edge"], "dynamodb:Scan")
    error_message = "a listing of all keys is possible; nothing on a request path may need it"
  }
  assert {
    condition = alltrue([
      for role in aws_iam_role.workload : jsondecode(role.assume_role_policy).Statement[0].Principal == { Service = "pods.eks.amazonaws.com" }
    ])
    error_message = "others than pods take a workload's role"
  }
}
