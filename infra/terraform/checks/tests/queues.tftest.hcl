# The queues: redrive, visibility, encryption and alarms.

mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:alarms" }
  }
}

variables {
  name       = "framelift-test"
  key_arn    = "arn:aws:kms:us-east-1:123456789012:key/1"
  account_id = "123456789012"
}

run "queues" {
  module {
    source = "../modules/queues"
  }
  assert {
    condition = alltrue([
      for policy in [aws_sqs_queue_redrive_policy.jobs, aws_sqs_queue_redrive_policy.short] : jsondecode(policy.redrive_policy) == {
        deadLetterTargetArn = aws_sqs_queue.dead.arn
        maxReceiveCount     = 5
      }
    ])
    error_message = "jobs do not go to the dead-letter queue after five receives"
  }
  assert {
    condition     = !can(jsondecode(aws_sqs_queue.dead.redrive_policy).deadLetterTargetArn)
    error_message = "the dead-letter queue has one of its own"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead[0].redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.jobs.arn, aws_sqs_queue.short.arn]
    error_message = "other queues may use the dead-letter queue"
  }
  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.short, aws_sqs_queue.dead] : queue.visibility_timeout_seconds == 60])
    error_message = "messages come back after another time than workers count with"
  }
  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.short] : aws_sqs_queue.dead.message_retention_seconds >= queue.message_retention_seconds])
    error_message = "dead letters, whose age counts from the first queue, would expire before anybody has looked"
  }
  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.short, aws_sqs_queue.dead] : queue.kms_master_key_id == var.key_arn])
    error_message = "messages are not encrypted with our key"
  }
  assert {
    condition = alltrue([
      for policy in [aws_sqs_queue_policy.jobs.policy, aws_sqs_queue_policy.short.policy, aws_sqs_queue_policy.dead.policy] : alltrue([
        for statement in jsondecode(policy).Statement :
        statement.Effect == "Deny" && statement.Action == "sqs:*" && statement.Condition.Bool["aws:SecureTransport"] == "false"
      ])
    ])
    error_message = "a queue is open without TLS"
  }
  assert {
    condition = alltrue([
      for alarm in [
        aws_cloudwatch_metric_alarm.oldest_job, aws_cloudwatch_metric_alarm.oldest_short_job, aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.in_flight,
      ] : contains(alarm.alarm_actions, aws_sns_topic.alarms.arn)
    ])
    error_message = "an alarm tells nobody"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.in_flight.threshold < 120000
    error_message = "the alarm comes after SQS's own limit"
  }
}
