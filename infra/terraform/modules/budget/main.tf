# A monthly budget over everything that carries the project's tag.

variable "name" {
  type        = string
  description = "Prefix of every name; the value of the tag Environment"
}

variable "monthly_usd" {
  type        = number
  description = "What a month may cost"
}

variable "emails" {
  type        = list(string)
  description = "Who is told"
}

variable "topic_arn" {
  type        = string
  description = "The topic that is told as well"
}

resource "aws_budgets_budget" "monthly" {
  name         = "${var.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  cost_filter {
    name   = "TagKeyValue"
    values = ["user:Environment$${var.name}"]
  }
  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.emails
      subscriber_sns_topic_arns  = [var.topic_arn]
    }
  }
}
