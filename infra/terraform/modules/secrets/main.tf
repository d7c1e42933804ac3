# Where the secrets of the edge and the workers lie. Terraform makes the places; people and their scripts put
# the values in (see docs/operations.md), so that no secret is in Terraform's state.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts secrets"
}

variable "workloads" {
  type        = set(string)
  default     = ["edge", "worker"]
  description = "A secret for each"
}

resource "aws_secretsmanager_secret" "workload" {
  # checkov:skip=CKV2_AWS_57:each value is changed in several steps, with old and new ones side by side (docs/configuration.md)
  for_each                = var.workloads
  name                    = "${var.name}/${each.key}"
  description             = "What the ${each.key} of ${var.name} must not show"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

output "arns" {
  value = { for workload, secret in aws_secretsmanager_secret.workload : workload => secret.arn }
}
