# Everything that an environment has.

variable "name" {
  type        = string
  description = "Prefix of every name: framelift-dev, framelift-prod"
}

variable "region" {
  type = string
}

variable "zones" {
  type = list(string)
}

variable "host" {
  type        = string
  description = "The name that users know the service by, frames.example.com"
}

variable "mail_domain" {
  type        = string
  description = "The domain that mails come from"
}

variable "mail_from" {
  type        = string
  description = "The mails' sender"
}

variable "alarm_emails" {
  type = list(string)
}

variable "administrator_arns" {
  type = list(string)
}

variable "api_cidrs" {
  type    = list(string)
  default = []
}

variable "nat_per_zone" {
  type = bool
}

variable "node_groups" {
  type = map(object({
    instance_types = list(string)
    spot           = bool
    gpu            = bool
    min            = number
    max            = number
    disk_gib       = number
  }))
}

variable "monthly_usd" {
  type = number
}

variable "registry" {
  type = object({
    pulled_by           = list(string)
    github_repository   = string
    github_provider_arn = optional(string)
  })
  default     = null
  description = "The repositories of images, in the account of one environment: the accounts that pull from it, OWNER/NAME of what pushes to it, and the account's OIDC provider of token.actions.githubusercontent.com (made here if null)"
}

variable "copy_region" {
  type        = string
  description = "The region of the provider `aws.copies`, where copies of the backups and of images lie"
}

variable "table_suffix" {
  type        = string
  default     = ""
  description = "What the tables' names end with after a restore, -r1"
}

variable "autoscaling_role_arn" {
  type        = string
  default     = null
  description = "The account's AWSServiceRoleForAutoScaling, which is there if an Auto Scaling group ever was; if null, this stack makes it"
}

data "aws_caller_identity" "current" {}

# One for the account: where there is one, `registry` names it.
resource "aws_iam_openid_connect_provider" "github" {
  count          = var.registry != null && try(var.registry.github_provider_arn, null) == null ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

# One for the account, too. The key's policy names it, and so it must be there before the first group of nodes.
resource "aws_iam_service_linked_role" "autoscaling" {
  count            = var.autoscaling_role_arn == null ? 1 : 0
  aws_service_name = "autoscaling.amazonaws.com"
}

# The load balancer's controller finds it by the host of the Ingress.
resource "aws_acm_certificate" "host" {
  domain_name       = var.host
  validation_method = "DNS"
  lifecycle {
    create_before_destroy = true
  }
}

module "kms" {
  source               = "../kms"
  name                 = var.name
  region               = var.region
  account_id           = data.aws_caller_identity.current.account_id
  autoscaling_role_arn = coalesce(var.autoscaling_role_arn, one(aws_iam_service_linked_role.autoscaling[*].arn))
}

module "network" {
  source       = "../network"
  name         = var.name
  region       = var.region
  zones        = var.zones
  nat_per_zone = var.nat_per_zone
  key_arn      = module.kms.key_arn
  cluster_name = var.name
}

module "storage" {
  source       = "../storage"
  bucket       = "${var.name}-${data.aws_caller_identity.current.account_id}"
  key_arn      = module.kms.key_arn
  page_origins = ["https://${var.host}"]
}

module "queues" {
  source       = "../queues"
  name         = var.name
  key_arn      = module.kms.key_arn
  account_id   = data.aws_caller_identity.current.account_id
  alarm_emails = var.alarm_emails
}

module "tables" {
  source  = "../tables"
  name    = var.name
  key_arn = module.kms.key_arn
  suffix  = var.table_suffix
}

module "backup" {
  source      = "../backup"
  providers   = { aws = aws, aws.copies = aws.copies }
  name        = var.name
  account_id  = data.aws_caller_identity.current.account_id
  copy_region = var.copy_region
  key_arn     = module.kms.key_arn
  table_arns  = module.tables.arns
}

module "alarms" {
  source      = "../alarms"
  name        = var.name
  topic_arn   = module.queues.alarms_arn
  table_names = module.tables.names
}

module "mail" {
  source = "../mail"
  name   = var.name
  region = var.region
  domain = var.mail_domain
  from   = var.mail_from
}

module "registry" {
  count               = var.registry == null ? 0 : 1
  source              = "../registry"
  name                = var.name
  key_arn             = module.kms.key_arn
  pulled_by           = var.registry.pulled_by
  copies              = { region = var.copy_region, account_id = data.aws_caller_identity.current.account_id }
  github_repository   = var.registry.github_repository
  github_provider_arn = coalesce(var.registry.github_provider_arn, one(aws_iam_openid_connect_provider.github[*].arn))
}

module "secrets" {
  source  = "../secrets"
  name    = var.name
  key_arn = module.kms.key_arn
}

module "identity" {
  source      = "../identity"
  name        = var.name
  region      = var.region
  key_arn     = module.kms.key_arn
  bucket_arn  = module.storage.bucket_arn
  jobs_arn    = module.queues.jobs_arn
  short_arn   = module.queues.short_arn
  dead_arn    = module.queues.dead_arn
  table_arns  = module.tables.arns
  secret_arns = module.secrets.arns
}

module "cluster" {
  source             = "../cluster"
  name               = var.name
  key_arn            = module.kms.key_arn
  subnet_ids         = module.network.private_subnet_ids
  administrator_arns = var.administrator_arns
  api_cidrs          = var.api_cidrs
  node_groups        = var.node_groups
  workload_role_arns = module.identity.role_arns
}

module "budget" {
  source      = "../budget"
  name        = var.name
  monthly_usd = var.monthly_usd
  emails      = var.alarm_emails
  topic_arn   = module.queues.alarms_arn
}

output "for_manifests" {
  description = "What the overlays of infra/kubernetes ask for"
  value = {
    bucket          = module.storage.bucket
    bucket_domain   = module.storage.bucket_domain
    queue_url       = module.queues.jobs_url
    short_queue_url = module.queues.short_url
    dead_letter_url = module.queues.dead_url
    tables          = module.tables.names
    images          = one(module.registry[*].urls)
    smtp_host       = module.mail.smtp_host
    smtp_from       = var.mail_from
    host            = var.host
  }
}

output "dns_records" {
  value = concat(module.mail.dns_records, [for option in aws_acm_certificate.host.domain_validation_options : {
    name  = option.resource_record_name
    type  = option.resource_record_type
    value = option.resource_record_value
  }])
}

output "users_that_need_keys" {
  value = { signer = module.identity.signer_user, smtp = module.mail.smtp_user }
}

output "copies_vault" {
  value = module.backup.copies_vault
}

output "ci_role_arn" {
  value = one(module.registry[*].ci_role_arn)
}
