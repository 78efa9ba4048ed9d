from .report_options import AccessRequest as AccessRequest
from .report_options import HtmlReportOptions as HtmlReportOptions
from .report_options import ReportWording as ReportWording
from .report_options import WrittenReport as WrittenReport
from .writing import write_html_report as write_html_report
