# Daily backups of the tables, with a copy of each in another region. Point-in-time recovery (modules/tables) is for
# mistakes; this is for the loss of the region, or of the tables with all their recovery points.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "account_id" {
  type        = string
  description = "The account that administers the key of the copies"
}

variable "copy_region" {
  type        = string
  description = "The region of the provider `aws.copies`"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts backups"
}

variable "table_arns" {
  type        = map(string)
  description = "Tables by the store that they are"
}

variable "days" {
  type        = number
  default     = 35
  description = "How long a backup and its copy are kept: users' deleted data lives as long in them"
}

# Backups are encrypted with a key of the region that they are in.
module "key" {
  source     = "../kms"
  providers  = { aws = aws.copies }
  name       = "${var.name}-backup"
  account_id = var.account_id
  region     = var.copy_region
}

resource "aws_backup_vault" "here" {
  name        = var.name
  kms_key_arn = var.key_arn
}

resource "aws_backup_vault" "copies" {
  provider    = aws.copies
  name        = var.name
  kms_key_arn = module.key.key_arn
}

resource "aws_iam_role" "backup" {
  name        = "${var.name}-backup"
  path        = "/framelift/"
  description = "Makes and restores backups of the tables"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "backup.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each   = toset(["AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"])
  role       = aws_iam_role.backup.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/${each.key}"
}

# What the managed policies leave to the owner of keys: to encrypt backups and copies with these two.
resource "aws_iam_role_policy" "keys" {
  name = "keys"
  role = aws_iam_role.backup.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "EncryptBackups"
        Effect   = "Allow"
        Action   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"]
        Resource = [var.key_arn, module.key.key_arn]
      },
      {
        Sid       = "LetServicesEncrypt"
        Effect    = "Allow"
        Action    = "kms:CreateGrant"
        Resource  = [var.key_arn, module.key.key_arn]
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
      },
    ]
  })
}

resource "aws_backup_plan" "tables" {
  name = "${var.name}-tables"
  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.here.name
    schedule          = "cron(0 3 * * ? *)"
    start_window      = 60
    completion_window = 360
    lifecycle {
      delete_after = var.days
    }
    copy_action {
      destination_vault_arn = aws_backup_vault.copies.arn
      lifecycle {
        delete_after = var.days
      }
    }
  }
}

resource "aws_backup_selection" "tables" {
  name         = "tables"
  plan_id      = aws_backup_plan.tables.id
  iam_role_arn = aws_iam_role.backup.arn
  resources    = values(var.table_arns)
}

output "copies_vault" {
  value = aws_backup_vault.copies.name
}
