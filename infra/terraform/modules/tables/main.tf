# A table for each key-value store of the edge: Spin does not tell stores apart within one.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts records"
}

variable "stores" {
  type        = set(string)
  default     = ["accounts", "videos"]
  description = "The key-value stores of spin.toml"
}

variable "suffix" {
  type        = string
  default     = ""
  description = "What the tables' names end with: a restore makes new tables, videos-r1 (docs/operations.md, Restore)"
}

resource "aws_dynamodb_table" "store" {
  for_each                    = var.stores
  name                        = "${var.name}-${each.key}${var.suffix}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "PK"
  deletion_protection_enabled = true
  attribute {
    name = "PK"
    type = "S"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
  lifecycle {
    prevent_destroy = true
  }
}

output "names" {
  value = { for store, table in aws_dynamodb_table.store : store => table.name }
}

output "arns" {
  value = { for store, table in aws_dynamodb_table.store : store => table.arn }
}
