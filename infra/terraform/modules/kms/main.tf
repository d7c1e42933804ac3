# The key that encrypts objects, messages, records, secrets, images and logs.

variable "name" {
  type        = string
  description = "Prefix of every name, for instance framelift-prod"
}

variable "account_id" {
  type        = string
  description = "The account that administers the key"
}

variable "region" {
  type        = string
  description = "Region of the log groups that are encrypted with the key"
}

variable "autoscaling_role_arn" {
  type        = string
  default     = null
  description = "The account's service-linked role of Auto Scaling, which starts nodes with disks that the key encrypts; null where there are no nodes"
}

locals {
  # A managed group of nodes is an Auto Scaling group: its role has EC2 make the disks, and no policy of AWS lets it use
  # a key of ours. Without these statements every instance ends as it starts, with Client.InternalError.
  nodes = [for statement in [
    {
      Sid       = "DisksOfNodesAreMade"
      Effect    = "Allow"
      Principal = { AWS = var.autoscaling_role_arn }
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
    },
    {
      Sid       = "DisksOfNodesAreAttached"
      Effect    = "Allow"
      Principal = { AWS = var.autoscaling_role_arn }
      Action    = "kms:CreateGrant"
      Resource  = "*"
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
    },
  ] : statement if var.autoscaling_role_arn != null]
}

resource "aws_kms_key" "this" {
  description             = "Framelift's data (${var.name})"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # Without this statement nobody could change the key any more; whom it lets in, IAM says.
        Sid       = "TheAccountDecides"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "AlarmsArePublished"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      {
        Sid       = "LogsAreWritten"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${var.region}:${var.account_id}:*" } }
      },
    ], local.nodes)
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

output "key_arn" {
  value = aws_kms_key.this.arn
}
