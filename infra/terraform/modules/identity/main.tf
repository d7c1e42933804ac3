# Who may do what: a role for each workload, which pods get by EKS Pod Identity; a user for what the edge's
# components sign (they take keys, and URLs signed with temporary ones would end early).

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "key_arn" {
  type        = string
  description = "The KMS key of bucket, queues, tables and secrets"
}

variable "region" {
  type        = string
  description = "Region of the services that may use the key"
}

variable "bucket_arn" {
  type = string
}

variable "jobs_arn" {
  type = string
}

variable "short_arn" {
  type = string
}

variable "dead_arn" {
  type = string
}

variable "table_arns" {
  type        = map(string)
  description = "Tables by the store that they are"
}

variable "secret_arns" {
  type        = map(string)
  description = "Secrets by the workload that reads them"
}

locals {
  uploads = "${var.bucket_arn}/uploads/*"
  results = "${var.bucket_arn}/results/*"
  plugins = "${var.bucket_arn}/plugins/*"

  # A statement for the key, usable only by way of one service.
  key_of = {
    for service in ["s3", "sqs", "dynamodb", "secretsmanager"] : service => {
      Sid       = "KeyOf${title(service)}"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = "${service}.${var.region}.amazonaws.com" } }
    }
  }

  # By workload. The tests hold each list to what the programs call.
  statements = {
    # Spin's key-value back end.
    edge = [
      {
        Sid    = "Records"
        Effect = "Allow"
        Action = [
          "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem",
          "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem",
        ]
        Resource = values(var.table_arns)
      },
      local.key_of["dynamodb"],
    ]
    worker = [
      { Sid = "ReadObjects", Effect = "Allow", Action = "s3:GetObject", Resource = [local.uploads, local.results, local.plugins] },
      {
        Sid      = "WriteResults"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = local.results
      },
      {
        Sid      = "FindLeftovers"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = var.bucket_arn
      },
      {
        Sid    = "TakeMessages"
        Effect = "Allow"
        Action = [
          "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
        ]
        Resource = [var.jobs_arn, var.short_arn, var.dead_arn]
      },
      { Sid = "PutAsideMessages", Effect = "Allow", Action = "sqs:SendMessage", Resource = var.dead_arn },
      local.key_of["s3"],
      local.key_of["sqs"],
    ]
    keda = [
      {
        Sid      = "SeeQueueDepth"
        Effect   = "Allow"
        Action   = "sqs:GetQueueAttributes"
        Resource = [var.jobs_arn, var.short_arn]
      },
    ]
    # X-Ray has nothing narrower than all traces of the account and the region.
    collector = [
      { Sid = "WriteTraces", Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], Resource = "*" },
    ]
    external-secrets = [
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = values(var.secret_arns)
      },
      local.key_of["secretsmanager"],
    ]
  }

  signer = [
    {
      Sid      = "UploadsAndPlugins"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
      Resource = [local.uploads, local.plugins]
    },
    {
      Sid      = "Results"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      Resource = local.results
    },
    {
      Sid      = "FindLeftovers"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
      Resource = var.bucket_arn
    },
    {
      Sid      = "SendJobs"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
      Resource = [var.jobs_arn, var.short_arn]
    },
    local.key_of["s3"],
    local.key_of["sqs"],
  ]

  pods = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
}

resource "aws_iam_role" "workload" {
  for_each           = local.statements
  name               = "${var.name}-${each.key}"
  path               = "/framelift/"
  description        = "What ${each.key} may do"
  assume_role_policy = local.pods
}

resource "aws_iam_role_policy" "workload" {
  # checkov:skip=CKV_AWS_355:only the collector's writing of traces names no resource, as X-Ray has none; the tests list it
  # checkov:skip=CKV_AWS_290:the same
  for_each = local.statements
  name     = each.key
  role     = aws_iam_role.workload[each.key].id
  policy   = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

# Its access key is made by hand (see docs/operations.md), so that no secret is in Terraform's state.
resource "aws_iam_user" "signer" {
  # checkov:skip=CKV_AWS_273:the edge's components take keys, and presigned URLs must outlive a role's session
  name = "${var.name}-edge-signer"
  path = "/framelift/"
}

resource "aws_iam_group" "signer" {
  name = "${var.name}-edge-signer"
  path = "/framelift/"
}

resource "aws_iam_user_group_membership" "signer" {
  user   = aws_iam_user.signer.name
  groups = [aws_iam_group.signer.name]
}

resource "aws_iam_group_policy" "signer" {
  name   = "sign"
  group  = aws_iam_group.signer.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.signer })
}

output "role_arns" {
  value = { for workload, role in aws_iam_role.workload : workload => role.arn }
}

output "signer_user" {
  value = aws_iam_user.signer.name
}

output "policies" {
  description = "The policy of each principal, for the tests"
  value = merge(
    { for workload, policy in aws_iam_role_policy.workload : workload => policy.policy },
    { signer = aws_iam_group_policy.signer.policy },
  )
}
