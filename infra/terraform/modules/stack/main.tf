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

variable "github_repository" {
  type = string
}

variable "github_provider_arn" {
  type        = string
  default     = null
  description = "The account's OIDC provider of token.actions.githubusercontent.com; if null, this stack makes it"
}

data "aws_caller_identity" "current" {}

# One for the account: the first environment makes it, others name it.
resource "aws_iam_openid_connect_provider" "github" {
  count          = var.github_provider_arn == null ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
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
  source     = "../kms"
  name       = var.name
  region     = var.region
  account_id = data.aws_caller_identity.current.account_id
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
}

module "mail" {
  source = "../mail"
  name   = var.name
  region = var.region
  domain = var.mail_domain
  from   = var.mail_from
}

module "registry" {
  source  = "../registry"
  name    = var.name
  key_arn = module.kms.key_arn
}

module "secrets" {
  source  = "../secrets"
  name    = var.name
  key_arn = module.kms.key_arn
}

module "identity" {
  source              = "../identity"
  name                = var.name
  region              = var.region
  key_arn             = module.kms.key_arn
  bucket_arn          = module.storage.bucket_arn
  jobs_arn            = module.queues.jobs_arn
  short_arn           = module.queues.short_arn
  dead_arn            = module.queues.dead_arn
  table_arns          = module.tables.arns
  secret_arns         = module.secrets.arns
  repository_arns     = module.registry.arns
  github_repository   = var.github_repository
  github_provider_arn = coalesce(var.github_provider_arn, one(aws_iam_openid_connect_provider.github[*].arn))
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
    images          = module.registry.urls
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

output "ci_role_arn" {
  value = module.identity.ci_role_arn
}
