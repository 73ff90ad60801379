"""Transforms SAM templates as CloudFormation does, by the translator that SAM itself is made of.

Reads a JSON list of templates from its input, as text, and prints one of what became of them: the
transformed template, or why there is none.
"""

import json
import logging
import sys

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

logging.disable(logging.CRITICAL)


def transform(text):
    template = yaml_parse(text)
    # `sam build` puts each function's own folder here, and `sam deploy` its place in a bucket.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    try:
        return {"template": Translator({}, Parser()).translate(template, {})}
    except InvalidDocumentException as error:
        return {"error": [cause.message for cause in error.causes]}


json.dump([transform(text) for text in json.load(sys.stdin)], sys.stdout)
