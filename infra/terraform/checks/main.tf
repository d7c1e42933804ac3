# What an emulator has of an environment, for the checks: the same modules as in modules/stack, applied to a
# server on this machine. Nobody deploys this.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {
  type        = string
  default     = "http://127.0.0.1:5000"
  description = "Where the emulator listens"
}

variable "table_suffix" {
  type        = string
  default     = ""
  description = "What the tables' names end with after a restore"
}

locals {
  name   = "framelift-check"
  region = "us-east-1"
  # The emulator's.
  account_id = "123456789012"
}

provider "aws" {
  region                      = local.region
  access_key                  = "testing"
  secret_key                  = "testing"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    cloudwatch     = var.endpoint
    dynamodb       = var.endpoint
    ecr            = var.endpoint
    iam            = var.endpoint
    kms            = var.endpoint
    s3             = var.endpoint
    secretsmanager = var.endpoint
    ses            = var.endpoint
    sns            = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
  }
}

module "kms" {
  source     = "../modules/kms"
  name       = local.name
  region     = local.region
  account_id = local.account_id
}

module "storage" {
  source       = "../modules/storage"
  bucket       = "${local.name}-${local.account_id}"
  key_arn      = module.kms.key_arn
  page_origins = ["https://frames.example.com"]
}

module "queues" {
  source     = "../modules/queues"
  name       = local.name
  key_arn    = module.kms.key_arn
  account_id = local.account_id
  # The emulator takes the policy and never shows it, and the provider waits until it does.
  only_own_dead_letters = false
}

module "tables" {
  source  = "../modules/tables"
  name    = local.name
  key_arn = module.kms.key_arn
  suffix  = var.table_suffix
}

module "mail" {
  source = "../modules/mail"
  name   = local.name
  region = local.region
  domain = "frames.example.com"
  from   = "no-reply@frames.example.com"
}

module "registry" {
  source              = "../modules/registry"
  name                = local.name
  key_arn             = module.kms.key_arn
  pulled_by           = ["111122223333"]
  github_repository   = "example/framelift"
  github_provider_arn = "arn:aws:iam::${local.account_id}:oidc-provider/token.actions.githubusercontent.com"
}

module "alarms" {
  source      = "../modules/alarms"
  name        = local.name
  topic_arn   = module.queues.alarms_arn
  table_names = module.tables.names
}

module "secrets" {
  source  = "../modules/secrets"
  name    = local.name
  key_arn = module.kms.key_arn
}

module "identity" {
  source      = "../modules/identity"
  name        = local.name
  region      = local.region
  key_arn     = module.kms.key_arn
  bucket_arn  = module.storage.bucket_arn
  jobs_arn    = module.queues.jobs_arn
  short_arn   = module.queues.short_arn
  dead_arn    = module.queues.dead_arn
  table_arns  = module.tables.arns
  secret_arns = module.secrets.arns
}

output "bucket" {
  value = module.storage.bucket
}

output "jobs_url" {
  value = module.queues.jobs_url
}

output "short_url" {
  value = module.queues.short_url
}

output "dead_url" {
  value = module.queues.dead_url
}

output "tables" {
  value = module.tables.names
}

output "policies" {
  value = module.identity.policies
}

