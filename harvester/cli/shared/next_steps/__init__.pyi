from .api_steps import remedy_step as remedy_step
from .error_steps import error_document as error_document
from .error_steps import next_step as next_step
from .error_steps import step_for as step_for
from .problem_steps import access_step as access_step
from .problem_steps import problem_step as problem_step
from .store_steps import fetch_step as fetch_step
