# What the modules are to each other: the whole stack with a registry, as `prod` has it, and one that only pulls.

# Tables are protected against being destroyed, so that nothing is applied here; values are there while planning.
mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/framelift/a" }
  }
  mock_resource "aws_iam_service_linked_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:123456789012:key/here" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:alarms" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:123456789012:q" }
  }
  mock_resource "aws_backup_vault" {
    defaults = { arn = "arn:aws:backup:us-east-1:123456789012:backup-vault:here" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-1", latest_version = 1 }
  }
}

mock_provider "aws" {
  alias           = "copies"
  override_during = plan
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-west-2:123456789012:key/there" }
  }
  mock_resource "aws_backup_vault" {
    defaults = { arn = "arn:aws:backup:us-west-2:123456789012:backup-vault:there" }
  }
}

variables {
  name               = "framelift-test"
  region             = "us-east-1"
  copy_region        = "us-west-2"
  zones              = ["us-east-1a", "us-east-1b"]
  host               = "frames.example.com"
  mail_domain        = "frames.example.com"
  mail_from          = "no-reply@frames.example.com"
  alarm_emails       = ["on-call@example.com"]
  administrator_arns = ["arn:aws:iam::123456789012:role/administrator"]
  nat_per_zone       = true
  monthly_usd        = 100
  node_groups = {
    system = { instance_types = ["m7i.large"], spot = false, gpu = false, min = 2, max = 4, disk_gib = 50 }
    cpu    = { instance_types = ["m7i.4xlarge"], spot = true, gpu = false, min = 0, max = 4, disk_gib = 50 }
  }
}

run "with_a_registry" {
  command   = plan
  providers = { aws = aws, aws.copies = aws.copies }
  module {
    source = "../modules/stack"
  }
  variables {
    registry     = { pulled_by = ["111122223333"], github_repository = "example/framelift" }
    table_suffix = "-r1"
  }
  assert {
    condition     = output.for_manifests.tables == { accounts = "framelift-test-accounts-r1", videos = "framelift-test-videos-r1" }
    error_message = "the manifests are told other tables than those that a restore has made"
  }
  assert {
    condition     = toset(keys(output.for_manifests.images)) == toset(["edge", "edge-app", "worker", "worker-gpu"]) && output.ci_role_arn != null
    error_message = "a release has nowhere to push to"
  }
  assert {
    condition     = length(aws_iam_service_linked_role.autoscaling) == 1 && length(aws_iam_openid_connect_provider.github) == 1
    error_message = "what an account has once is missing in a new one"
  }
}

run "that_only_pulls" {
  command   = plan
  providers = { aws = aws, aws.copies = aws.copies }
  module {
    source = "../modules/stack"
  }
  variables {
    autoscaling_role_arn = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
  }
  assert {
    condition     = output.for_manifests.images == null && output.ci_role_arn == null && length(aws_iam_openid_connect_provider.github) == 0
    error_message = "an environment that only pulls has something to push to"
  }
  assert {
    condition     = length(aws_iam_service_linked_role.autoscaling) == 0
    error_message = "the account's role for Auto Scaling is made a second time"
  }
}

run "backups_are_copied_to_another_region" {
  command   = plan
  providers = { aws = aws, aws.copies = aws.copies }
  module {
    source = "../modules/backup"
  }
  variables {
    account_id = "123456789012"
    key_arn    = "arn:aws:kms:us-east-1:123456789012:key/here"
    table_arns = { videos = "arn:aws:dynamodb:us-east-1:123456789012:table/v" }
  }
  assert {
    condition     = one(one(aws_backup_plan.tables.rule).copy_action).destination_vault_arn == "arn:aws:backup:us-west-2:123456789012:backup-vault:there"
    error_message = "backups stay in the region that they are of"
  }
  assert {
    condition     = aws_backup_vault.here.kms_key_arn == var.key_arn && aws_backup_vault.copies.kms_key_arn == "arn:aws:kms:us-west-2:123456789012:key/there"
    error_message = "a vault has a key of another region"
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.keys.policy).Statement :
      toset(statement.Resource) == toset([var.key_arn, "arn:aws:kms:us-west-2:123456789012:key/there"])
    ])
    error_message = "backups are made and cannot be encrypted, or the role uses other keys"
  }
  assert {
    condition     = aws_backup_selection.tables.resources == toset(values(var.table_arns))
    error_message = "a table has no backup"
  }
}

run "alarms" {
  command = plan
  module {
    source = "../modules/alarms"
  }
  variables {
    topic_arn   = "arn:aws:sns:us-east-1:123456789012:alarms"
    table_names = { accounts = "a", videos = "v" }
  }
  assert {
    condition = alltrue(flatten([
      for alarms in [aws_cloudwatch_metric_alarm.load_balancer, aws_cloudwatch_metric_alarm.throttled, aws_cloudwatch_metric_alarm.reputation] : [
        for alarm in alarms : alarm.alarm_actions == toset([var.topic_arn])
      ]
    ]))
    error_message = "an alarm tells nobody"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.throttled) == 4
    error_message = "a table is not watched"
  }
}
