// The API's documentation: Swagger UI over `/openapi.json`. Calls are made with the token of a login on this page.
// The library is served as it was published, so that its tracked files change only with its version.
import library from "swagger-ui-dist/swagger-ui-bundle.js?url";

interface SwaggerUi {
  preauthorizeApiKey(scheme: string, key: string): void;
}

declare global {
  interface Window {
    SwaggerUIBundle: (options: object) => SwaggerUi;
  }
}

interface Answer {
  ok: boolean;
  url: string;
  body?: { access_token?: string };
}

// Swagger UI has a dark scheme, which a class on the root element switches on.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
paint();
dark.addEventListener("change", paint);

const script = document.createElement("script");
script.src = library;
script.onload = show;
document.head.append(script);

function show() {
  const ui = window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // The document is not sent to an online validator.
    validatorUrl: null,
    responseInterceptor: (answer: Answer) => {
      const token = answer.body?.access_token;
      if (answer.ok && token !== undefined && /\/auth\/(login|refresh)$/.test(answer.url)) {
        ui.preauthorizeApiKey("user", token);
      }
      return answer;
    },
  });
}
