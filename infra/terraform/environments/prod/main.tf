# The environment `prod`. Names under example.com, and the account's own, are yours to change.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  # The bucket is made once, by hand: versioned, encrypted, private. `terraform init -backend-config=bucket=…`
  backend "s3" {
    key          = "framelift/prod.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "administrator_arns" {
  type        = list(string)
  description = "Roles of people who may do everything in the cluster"
}

variable "alarm_emails" {
  type        = list(string)
  description = "Who is told of alarms and of the budget"
}

variable "copy_region" {
  type        = string
  default     = "us-west-2"
  description = "Where copies of the tables' backups and of images lie"
}

variable "autoscaling_role_arn" {
  type        = string
  default     = null
  description = "The account's AWSServiceRoleForAutoScaling, if it has one already"
}

locals {
  name = "framelift-prod"
  # What each resource carries, and what the budget counts by.
  tags = { Project = "framelift", Environment = local.name }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

provider "aws" {
  alias  = "copies"
  region = var.copy_region
  default_tags {
    tags = local.tags
  }
}

module "stack" {
  source               = "../../modules/stack"
  providers            = { aws = aws, aws.copies = aws.copies }
  name                 = local.name
  region               = var.region
  copy_region          = var.copy_region
  zones                = ["${var.region}a", "${var.region}b", "${var.region}c"]
  host                 = "frames.example.com"
  mail_domain          = "frames.example.com"
  mail_from            = "no-reply@frames.example.com"
  alarm_emails         = var.alarm_emails
  administrator_arns   = var.administrator_arns
  autoscaling_role_arn = var.autoscaling_role_arn
  api_cidrs            = []
  nat_per_zone         = true
  monthly_usd          = 20000
  # Every environment pulls what a release has pushed here: the accounts of dev and staging.
  registry = {
    pulled_by         = ["111122223333", "222233334444"]
    github_repository = "example/framelift"
  }
  node_groups = {
    system = { instance_types = ["m7i.xlarge"], spot = false, gpu = false, min = 3, max = 30, disk_gib = 50 }
    # Several types, so that the end of one spot market is not the end of all. All have memory for as many workers as processors allow.
    cpu = { instance_types = ["m7i.4xlarge", "m6i.4xlarge", "m7a.4xlarge", "m6a.4xlarge"], spot = true, gpu = false, min = 0, max = 400, disk_gib = 50 }
    gpu = { instance_types = ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"], spot = true, gpu = true, min = 0, max = 40, disk_gib = 100 }
  }
}

output "for_manifests" {
  value = module.stack.for_manifests
}

output "dns_records" {
  value = module.stack.dns_records
}

output "users_that_need_keys" {
  value = module.stack.users_that_need_keys
}

output "ci_role_arn" {
  value = module.stack.ci_role_arn
}
