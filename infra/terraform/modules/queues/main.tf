# The job queues, their dead-letter queue, and the alarms over all.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts messages and alarms"
}

variable "account_id" {
  type        = string
  description = "The account whose alarms may be published"
}

variable "visibility_seconds" {
  type        = number
  default     = 60
  description = "How long a received message is invisible; the worker's queue.visibility"
}

variable "max_receive_count" {
  type        = number
  default     = 5
  description = "Receives after which a message goes to the dead-letter queue; the worker fails jobs after as many attempts"
}

variable "retention_seconds" {
  type        = number
  default     = 1209600
  description = "How long a message is kept, at most 14 days"
}

variable "oldest_message_alarm_seconds" {
  type        = number
  default     = 900
  description = "Age of the oldest waiting job that raises the alarm"
}

variable "oldest_short_alarm_seconds" {
  type        = number
  default     = 300
  description = "Age of the oldest waiting short job that raises the alarm"
}

variable "alarm_emails" {
  type        = list(string)
  default     = []
  description = "Addresses that alarms are sent to, once they have confirmed"
}

variable "only_own_dead_letters" {
  type        = bool
  default     = true
  description = "Whether other queues are kept from the dead-letter queue; false where the service does not know how, as an emulator"
}

locals {
  tls_only = {
    for name, arn in { jobs = aws_sqs_queue.jobs.arn, short = aws_sqs_queue.short.arn, dead = aws_sqs_queue.dead.arn } : name => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    })
  }
}

resource "aws_sqs_queue" "dead" {
  name                              = "${var.name}-jobs-dead"
  visibility_timeout_seconds        = var.visibility_seconds
  message_retention_seconds         = var.retention_seconds
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_sqs_queue" "jobs" {
  name                              = "${var.name}-jobs"
  visibility_timeout_seconds        = var.visibility_seconds
  message_retention_seconds         = var.retention_seconds
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300
}

# For jobs that take seconds, which must not wait behind others.
resource "aws_sqs_queue" "short" {
  name                              = "${var.name}-jobs-short"
  visibility_timeout_seconds        = var.visibility_seconds
  message_retention_seconds         = var.retention_seconds
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_sqs_queue_redrive_policy" "short" {
  queue_url = aws_sqs_queue.short.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue_redrive_policy" "jobs" {
  queue_url = aws_sqs_queue.jobs.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  count     = var.only_own_dead_letters ? 1 : 0
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.jobs.arn, aws_sqs_queue.short.arn]
  })
}

resource "aws_sqs_queue_policy" "jobs" {
  queue_url = aws_sqs_queue.jobs.id
  policy    = local.tls_only["jobs"]
  # One change of a queue at a time.
  depends_on = [aws_sqs_queue_redrive_policy.jobs]
}

resource "aws_sqs_queue_policy" "short" {
  queue_url  = aws_sqs_queue.short.id
  policy     = local.tls_only["short"]
  depends_on = [aws_sqs_queue_redrive_policy.short]
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy    = local.tls_only["dead"]
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsArePublished"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.alarm_emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "oldest_job" {
  alarm_name          = "${var.name}-oldest-job"
  alarm_description   = "Jobs wait too long, as no worker is ready or there are too few: docs/operations.md#all-workers-are-busy"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.jobs.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_alarm_seconds
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "oldest_short_job" {
  alarm_name          = "${var.name}-oldest-short-job"
  alarm_description   = "Short jobs wait, as no worker reads their queue or there are too few: docs/operations.md#all-workers-are-busy"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.short.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_short_alarm_seconds
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Workers read the dead-letter queue and empty it of jobs. What is not a job they hide and keep, so the
# sum of visible and hidden messages is what a person has to look at.
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "The dead-letter queue does not get empty: docs/operations.md#dead-letters"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  metric_query {
    id          = "all"
    expression  = "visible + hidden"
    label       = "messages in the dead-letter queue"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = {
      visible = "ApproximateNumberOfMessagesVisible"
      hidden  = "ApproximateNumberOfMessagesNotVisible"
    }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/SQS"
        metric_name = metric_query.value
        dimensions  = { QueueName = aws_sqs_queue.dead.name }
        period      = 300
        stat        = "Maximum"
      }
    }
  }
}

# SQS refuses receives beyond 120,000 messages in flight.
resource "aws_cloudwatch_metric_alarm" "in_flight" {
  alarm_name          = "${var.name}-jobs-in-flight"
  alarm_description   = "The job queue nears its limit of 120,000 messages in flight: docs/operations.md#messages-in-flight"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesNotVisible"
  dimensions          = { QueueName = aws_sqs_queue.jobs.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 90000
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

output "jobs_url" {
  value = aws_sqs_queue.jobs.id
}

output "jobs_arn" {
  value = aws_sqs_queue.jobs.arn
}

output "short_url" {
  value = aws_sqs_queue.short.id
}

output "short_arn" {
  value = aws_sqs_queue.short.arn
}

output "dead_url" {
  value = aws_sqs_queue.dead.id
}

output "dead_arn" {
  value = aws_sqs_queue.dead.arn
}

output "alarms_arn" {
  value = aws_sns_topic.alarms.arn
}
