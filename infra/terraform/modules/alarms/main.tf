# Alarms over what AWS measures and the cluster cannot tell by itself: the load balancer, the tables, the mail's
# reputation. Those over queues are in modules/queues. Each names its runbook.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "topic_arn" {
  type        = string
  description = "The topic that is told"
}

variable "table_names" {
  type        = map(string)
  description = "Tables by the store that they are"
}

locals {
  # The load balancer is made by its controller, so that its name is not known here: the queries go over all of the
  # region's, of which an environment's account has one.
  load_balancer = {
    unanswered = {
      query     = "SELECT SUM(HTTPCode_ELB_5XX_Count) FROM SCHEMA(\"AWS/ApplicationELB\", LoadBalancer)"
      threshold = 50
      minutes   = 5
      about     = "The load balancer answers more than 50 requests a minute itself, as no pod of the edge does: docs/operations.md#the-edge-answers-with-errors"
    }
    edge-errors = {
      query     = "SELECT SUM(HTTPCode_Target_5XX_Count) FROM SCHEMA(\"AWS/ApplicationELB\", LoadBalancer)"
      threshold = 200
      minutes   = 5
      about     = "The edge answers more than 200 requests a minute with 5xx: docs/operations.md#the-edge-answers-with-errors"
    }
    unhealthy = {
      query     = "SELECT MAX(UnHealthyHostCount) FROM SCHEMA(\"AWS/ApplicationELB\", LoadBalancer, TargetGroup)"
      threshold = 0
      minutes   = 15
      about     = "A pod of the edge is not ready for a quarter of an hour: docs/operations.md#the-edge-answers-with-errors"
    }
  }

  throttled = {
    for pair in setproduct(keys(var.table_names), ["ReadThrottleEvents", "WriteThrottleEvents"]) :
    "${pair[0]}-${pair[1]}" => { store = pair[0], metric = pair[1] }
  }

  # SES looks into an account at 5 % and 0.1 %, and pauses it at 10 % and 0.5 %.
  reputation = {
    "Reputation.BounceRate"    = 0.04
    "Reputation.ComplaintRate" = 0.0008
  }
}

resource "aws_cloudwatch_metric_alarm" "load_balancer" {
  for_each            = local.load_balancer
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.about
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
  metric_query {
    id          = "all"
    expression  = each.value.query
    label       = each.key
    period      = 60
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "throttled" {
  for_each            = local.throttled
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "DynamoDB refuses calls to the table of ${each.value.store}: docs/operations.md#tables-are-throttled"
  namespace           = "AWS/DynamoDB"
  metric_name         = each.value.metric
  dimensions          = { TableName = var.table_names[each.value.store] }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 100
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "reputation" {
  for_each            = local.reputation
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "SES is about to look into the account: docs/operations.md#mails-bounce"
  namespace           = "AWS/SES"
  metric_name         = each.key
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value
  period              = 3600
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}
