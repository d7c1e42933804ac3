// The quotas of the account and their use.
import type { Account } from "../api";
import { bytes, duration, number } from "../format";
import { t } from "../i18n";
import { Bar } from "../ui";

export function Usage({ account: { quotas } }: { account: Account }) {
  return (
    <section class="card">
      <h2>{t().usage}</h2>
      {quotas == null ? (
        <p class="help">{t().usageUnknown}</p>
      ) : (
        <>
          <div class="quotas">
            {(
              [
                [t().quotaStored, quotas.stored_bytes, bytes],
                [t().quotaUploads, quotas.uploads_today, number],
                [t().quotaDecoded, quotas.decoded_seconds_today, duration],
                [t().quotaOpen, quotas.open_videos, number],
                [t().quotaInFlight, quotas.videos_in_flight, number],
                [t().quotaPlugins, quotas.plugins, number],
                [t().quotaPluginBytes, quotas.plugin_bytes, bytes],
              ] as const
            ).map(([label, { used, limit }, unit]) => (
              <div key={label} class="quota">
                <p class="quota-label">{label}</p>
                <p class={used >= limit ? "quota-value full" : "quota-value"}>
                  {t().usedOf(unit(used), unit(limit))}
                </p>
                <Bar label={label} percent={(Math.min(used, limit) * 100) / Math.max(1, limit)} />
              </div>
            ))}
          </div>
          <p class="help">
            {t().usageHelp}{" "}
            {quotas.requests_per_minute > 0 && t().requestsPerMinute(number(quotas.requests_per_minute))}
          </p>
        </>
      )}
    </section>
  );
}
