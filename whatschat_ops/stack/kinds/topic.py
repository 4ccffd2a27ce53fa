"""An SNS topic that alarms send to, and its subscriptions by e-mail. What others subscribe to it is left alone.

A subscription has no tags, so the topic carries one for each address of ours: that is how one that is not wanted any more
is told from one that others made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live, contains
from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.context import AwsKind, tag_list, tag_list_property, tag_map
from whatschat_ops.stack.kinds.declaration import ArnPattern, AwsField, CloudFormationType, Granted, ref

EMAIL: Final = "email"
ADDRESS_TAG: Final = "whatschat-ops:email-"
"""Begins the keys of the tags that name our addresses."""


_OF_SUBSCRIPTION: Final = {"topic_arn": "TopicArn", "protocol": "Protocol", "endpoint": "Endpoint"}
"""Field -> parameter of Subscribe and CloudFormation property."""


class Topic(AwsKind):
    """A standard topic with SNS's default policy, which lets the account's own alarms publish."""

    name = "topic"
    service = "sns"
    identity = ("topic_name",)
    fields: ClassVar[Mapping[str, AwsField]] = {
        "topic_name": AwsField(cfn="TopicName"),
        "tags": AwsField(matches=contains, cfn=tag_list_property),
    }
    arn: ClassVar[ArnPattern] = ArnPattern("arn:{partition}:sns:{region}:{account}:{name}")
    operator_sid = "Topics"
    operator_actions = actions(
        "sns", "CreateTopic GetTopicAttributes DeleteTopic TagResource ListTagsForResource"
    )
    template = (CloudFormationType("AWS::SNS::Topic"),)
    template_outputs: ClassVar = {"arn": ref}

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        name = identity["topic_name"]
        arn = self.arn.of(self._context.place, name)
        try:
            self._client.get_topic_attributes(TopicArn=arn)
            tags = self._context.tags_of(arn, lambda: self._tags(arn))
        except NotFound:
            return None
        return Live(arn, {"topic_name": name, "tags": tags}, {"arn": arn}, tags.get(STACK_TAG))

    def create(self, desired: Mapping[str, Any]) -> Live:
        answer = self._client.create_topic(Name=desired["topic_name"], Tags=tag_list(desired["tags"]))
        arn = answer["TopicArn"]
        return Live(arn, dict(desired), {"arn": arn}, desired["tags"].get(STACK_TAG))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        if "tags" in changed:
            self._client.tag_resource(ResourceArn=live.id, Tags=tag_list(desired["tags"]))
        return Live(live.id, {**live.fields, **desired}, live.outputs, live.owner)

    def delete(self, live: Live) -> None:
        """With its subscriptions (API reference, DeleteTopic). A topic that is gone is no error there."""
        self._client.delete_topic(TopicArn=live.id)

    def _tags(self, arn: str) -> Mapping[str, str]:
        return tag_map(self._client.list_tags_for_resource(ResourceArn=arn).get("Tags", []))


class Subscription(AwsKind):
    """An address of `protocol` that gets what is sent to the topic, once its owner has confirmed it."""

    name = "subscription"
    service = "sns"
    identity = ("topic_arn", "protocol", "endpoint")
    fields: ClassVar[Mapping[str, AwsField]] = {
        field: AwsField(cfn=name) for field, name in _OF_SUBSCRIPTION.items()
    }
    operator_on = "topic"
    operator_actions = actions("sns", "Subscribe ListSubscriptionsByTopic UntagResource")
    template = (CloudFormationType("AWS::SNS::Subscription"),)
    tagged = False
    goes_with = "topic"
    note = "the address gets a mail with a link, and nothing else until it is followed"

    @classmethod
    def operator_statements(cls, _granted: Granted) -> Iterator[Document]:
        """Unsubscribe takes the ARN of a subscription, which IAM knows no resource for (Service Authorization Reference)."""
        yield allow("Anywhere", ["sns:Unsubscribe"], "*")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        found = self._find(identity)
        if found is None:
            return None
        arn = found["SubscriptionArn"]
        is_confirmed = arn.startswith("arn:")
        state = None if is_confirmed else "pending confirmation: the link in its mail was not followed yet"
        fields = {name: identity[name] for name in self.identity}
        return Live(arn if is_confirmed else f"{fields['endpoint']}", fields, {"arn": arn}, state=state)

    def create(self, desired: Mapping[str, Any]) -> Live:
        request = {parameter: desired[field] for field, parameter in _OF_SUBSCRIPTION.items()}
        self._client.subscribe(**request)
        return Live(desired["endpoint"], dict(desired), {"arn": None})

    def delete(self, live: Live) -> None:
        """One that is pending cannot be cancelled: SNS forgets it (SNS developer guide, "Deleting subscriptions")."""
        topic, address = live.fields["topic_arn"], live.fields["endpoint"]
        try:
            if live.outputs["arn"].startswith("arn:"):
                self._client.unsubscribe(SubscriptionArn=live.outputs["arn"])
            self._client.untag_resource(ResourceArn=topic, TagKeys=list(address_tags([address])))
        except NotFound:
            return

    def _find(self, identity: Mapping[str, Any]) -> Any:
        try:
            pages = self._context.pages("sns", "list_subscriptions_by_topic", TopicArn=identity["topic_arn"])
        except NotFound:
            return None
        subscriptions = (each for page in pages for each in page["Subscriptions"])
        wanted = identity["protocol"], identity["endpoint"]
        return next((each for each in subscriptions if (each["Protocol"], each["Endpoint"]) == wanted), None)


def address_tags(addresses: Iterable[str]) -> dict[str, str]:
    """The tags of the topic that say which addresses are ours."""
    return {f"{ADDRESS_TAG}{hashlib.sha256(each.encode()).hexdigest()[:8]}": each for each in addresses}
