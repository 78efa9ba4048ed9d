from .api_steps import remedy_step as remedy_step
from .error_steps import error_document as error_document
from .error_steps import next_step as next_step
from .error_steps import step_for as step_for
from .store_steps import fetch_step as fetch_step
