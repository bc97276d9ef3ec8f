"""The stack: three functions, their log group, and alarms.

``cdk synth`` and ``cdk deploy`` run this.
"""

from aws_cdk import App, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from package import PYTHON, package


class OrdersStack(Stack):
    """Orders, with approval of large ones."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name, description="Orders, with approval of large ones")
        self._code = lambda_.Code.from_asset(package())
        self._logs = logs.LogGroup(self, "Logs", retention=logs.RetentionDays.ONE_MONTH)

        ship_order = self._function(
            "ShipOrder",
            "orders.app.ship_order",
            durable_config=lambda_.DurableConfig(
                execution_timeout=Duration.days(1), retention_period=Duration.days(14)
            ),
        ).add_alias("live")
        process_order = self._function(
            "ProcessOrder",
            "orders.app.process_order",
            durable_config=lambda_.DurableConfig(
                execution_timeout=Duration.days(31), retention_period=Duration.days(14)
            ),
            environment={"SHIP_ORDER": ship_order.function_arn},
        )
        alias = process_order.add_alias("live")
        process_order.add_to_role_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[ship_order.function_arn]
            )
        )

        answer = self._function("AnswerApproval", "orders.approvals.answer_approval")
        answer.add_to_role_policy(
            iam.PolicyStatement(
                actions=["lambda:SendDurableExecutionCallbackSuccess"],
                # The executions of all versions: a version is in an execution's ARN, and no alias.
                resources=[f"{process_order.function_arn}:*"],
            )
        )
        # A caller signs the request, and needs lambda:InvokeFunctionUrl and lambda:InvokeFunction.
        url = answer.add_function_url(auth_type=lambda_.FunctionUrlAuthType.AWS_IAM)

        # An execution of ShipOrder that fails makes one of ProcessOrder fail: these tell of both.
        # The metrics are in "Monitoring durable functions" of Lambda's documentation.
        topic = sns.Topic(self, "Alarms")
        self._alarm("OrdersFail", "DurableExecutionFailed", process_order, topic)
        self._alarm("OrdersTimeOut", "DurableExecutionTimedOut", process_order, topic)

        CfnOutput(self, "ProcessOrderAlias", value=alias.function_arn)
        CfnOutput(self, "AnswerUrl", value=url.url)
        CfnOutput(self, "AlarmTopic", value=topic.topic_arn)
        CfnOutput(self, "LogGroup", value=self._logs.log_group_name)

    def _function(
        self,
        name: str,
        handler: str,
        *,
        durable_config: lambda_.DurableConfig | None = None,
        environment: dict[str, str] | None = None,
    ) -> lambda_.Function:
        return lambda_.Function(
            self,
            name,
            code=self._code,
            handler=handler,
            # Durable functions run on python3.13 and python3.14.
            runtime=lambda_.Runtime(f"python{PYTHON}", lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.ARM_64,
            memory_size=512,
            # Of one invocation. An execution takes as long as its durable_config allows.
            timeout=Duration.seconds(60),
            # It cannot be added to a function that exists: CloudFormation replaces the function.
            durable_config=durable_config,
            # An execution stays on the version that it began with, so earlier ones are retained:
            # CDK would delete them, and with them the code of open executions.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
            environment=environment,
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self._logs,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.INFO,
        )

    def _alarm(self, name: str, metric: str, function: lambda_.Function, topic: sns.Topic) -> None:
        alarm = cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=metric,
            dimensions_map={"FunctionName": function.function_name},
            statistic="Sum",
            period=Duration.minutes(5),
        ).create_alarm(
            self,
            name,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(topic))


app = App()
OrdersStack(app, "durable-orders")
app.synth()
